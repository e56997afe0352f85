"""The graph worn as a LangChain chat model. Nothing here decides or talks to a server."""

from rsd_graph.chat_models.model import ChatRSD
from rsd_graph.runtime.listener import AnswerListener

__all__ = ["AnswerListener", "ChatRSD"]
