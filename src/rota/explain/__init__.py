"""What is so, said once: the findings that status, doctor, why and the log choose from, and their sentences."""
