"""Commands, notifications and their wire form: pure data, with no concurrency in it."""
