"""What a server does without being asked, in small steps: one server of several at a time."""
