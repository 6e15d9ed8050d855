"""Runs with real nodes: processes of the demo, recording, online evaluation."""
