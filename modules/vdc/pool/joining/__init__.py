"""How a machine becomes a node: it shows its secret, and gets a certificate for its own key.

``petition`` reads what it sends, ``verdict`` decides, ``desk`` acts, ``routes`` answers.
"""
