"""The Kafka host: Faust runs the consumer group and the process, and nothing else. The only folder that imports Faust.

Importing `configuration` or `errors` needs no extra; the worker itself needs `katydid[kafka]`.
"""
