"""What is played, and when: turns, planner, schedule, gate. Pure."""
