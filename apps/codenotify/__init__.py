"""CodeNotify: tells people of programming contests before they start, once, over the channels they chose."""
