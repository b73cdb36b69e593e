"""What the body of a job sees, and how it is called. Needs neither engine nor store: a child process can import it."""
