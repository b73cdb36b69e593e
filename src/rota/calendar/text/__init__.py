"""What the calendar has to say, in English: a trigger as a sentence, an expression explained, advice on it."""
