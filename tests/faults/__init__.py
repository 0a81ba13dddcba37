"""Stories of a canary under foul weather: each is told by the thousand, with faults drawn from a seed."""
