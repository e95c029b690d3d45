"""The slim agent: capture, identify, spool, forward."""
