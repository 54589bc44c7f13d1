# One function for each kind of test.
