"""The files of a recording: topics and messages as CDR, whatever format they are stored in."""
