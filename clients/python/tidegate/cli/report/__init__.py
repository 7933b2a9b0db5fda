"""What a check found, written for people, for programs and for those who review a change."""
