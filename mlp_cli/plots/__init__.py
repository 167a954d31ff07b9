"""The figures of a run and of a data set: functions of arrays that write PNG files."""
