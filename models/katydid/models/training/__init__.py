"""Training: the only folder that needs torch. `sound.py` tells the story of a sound model from top to bottom."""
