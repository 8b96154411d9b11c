"""The business of the control plane: one file a noun, its functions the verbs."""
