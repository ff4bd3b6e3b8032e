"""The steps of the journeys, one file a step, each shared by every journey that needs it."""
