"""Very many questions: streamed, in shards, resumed, merged; nothing of it is kept in memory."""
