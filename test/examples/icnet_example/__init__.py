"""One output, one decoder and one engine as another package would add them; shown in docs/architecture.md."""
