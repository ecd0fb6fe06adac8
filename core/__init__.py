"""The ground floor: settings, errors, store, manifests, models, prompts. It imports no other folder of Doyen."""
