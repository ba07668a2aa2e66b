"""The benchmark harness: programs, scenarios, how they are measured, and how what was measured is shown."""
