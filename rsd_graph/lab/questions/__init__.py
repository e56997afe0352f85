"""Where questions come from: files, folders, the hub, our own task. Nobody answers them here."""
