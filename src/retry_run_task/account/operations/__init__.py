"""What the commands that look after an installation do: status, stop, pause, resume, replay and audit."""
