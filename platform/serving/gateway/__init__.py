"""The HTTP gateway: OpenAI's API over the assistant, and one router for each noun of the platform."""
