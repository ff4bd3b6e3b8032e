"""The journeys: registration, sign-in, linking a second portal. A journey is a list of steps; see flows/engine.py."""
