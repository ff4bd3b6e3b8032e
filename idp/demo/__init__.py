"""The demonstration inbox and letters; mounted only when `Settings.demo_folder` is set."""
