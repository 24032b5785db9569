"""The engine of ``script:FILE``: answers, and faults, by the rules of a file."""
