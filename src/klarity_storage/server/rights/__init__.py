"""Who may do what: decided in one place, and recorded there."""
