"""Front ends: deployments, what they show, and how browsers get it."""
