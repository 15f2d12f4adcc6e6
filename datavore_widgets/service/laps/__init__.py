"""The laps store: a copy of the data, laid out so that any box over any lapse takes milliseconds."""
