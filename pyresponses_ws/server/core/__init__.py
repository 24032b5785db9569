"""What the server decides: frames in, actions out; no thread, clock, randomness or socket."""
