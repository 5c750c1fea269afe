"""The peers that we are measured against, each a script of its own: no module of ours is loaded there."""
