"""Who hears what: mailboxes by channel and by what it is about."""

from collections.abc import Iterator

from trading.frames import Message
from trading.mailbox import Mailbox

# A listing's symbol, or an investor's id; a channel of candles names its interval.
Topic = tuple[str, str | int]


class Subscriptions:
    """Mailboxes by topic, in the order in which they came."""

    def __init__(self) -> None:
        self._readers: dict[Topic, dict[Mailbox, None]] = {}

    def __contains__(self, topic: Topic) -> bool:
        return topic in self._readers

    def __iter__(self) -> Iterator[Topic]:
        return iter(list(self._readers))

    def add(self, mailbox: Mailbox, topic: Topic) -> None:
        self._readers.setdefault(topic, {})[mailbox] = None

    def remove(self, mailbox: Mailbox, topic: Topic) -> None:
        readers = self._readers.get(topic)
        if readers is not None:
            readers.pop(mailbox, None)
            if not readers:
                del self._readers[topic]

    def forget(self, mailbox: Mailbox) -> None:
        """Drop every subscription of a socket that is gone."""
        for topic in self:
            self.remove(mailbox, topic)

    def tell(self, topic: Topic, text: str) -> None:
        """One message, made once, to all who hear of this."""
        if readers := self._readers.get(topic):
            message = Message(text)
            for mailbox in readers:
                mailbox.deliver(message)
