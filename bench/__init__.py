"""The measurements: what each takes, against which target, by a method that anyone can repeat."""
