// Carries the precompiled header of the tests; it has no code.
