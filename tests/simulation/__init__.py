"""Random faults, schedules and callers, replayed exactly by a seed; see docs/simulation.md."""
