"""The chat in the browser: Gradio pages that talk to the gateway over HTTP alone, as any other client does."""
