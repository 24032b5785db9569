"""Every fault in every phase of a turn, in every way to run one."""
