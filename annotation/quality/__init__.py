"""How far annotators agree, whom to trust, what is held to be true, and what an expert has to decide."""
