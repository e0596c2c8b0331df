"""The cloud: admit → commit → evaluate → alert → case, and the web that shows it."""
