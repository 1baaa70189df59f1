"""The other engine: Keras in a process of its own, which the brain asks for phrases. Importing this loads nothing."""
