"""Mail over SMTP, on connections that are kept as long as there is something to send."""

from __future__ import annotations

import re
import smtplib
import ssl
from email.charset import QP, Charset
from email.header import Header
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import compat32
from email.utils import format_datetime, formataddr, parseaddr
from queue import Empty, LifoQueue

from apps.codenotify.channels.message import Message
from apps.codenotify.errors import AmbiguousError, OutsideError, PermanentError, TransientError
from apps.codenotify.settings import Settings

_ADDRESS = re.compile(r"[!#-'*+\-./0-9=?A-Z^_`a-z{|}~]+@[A-Za-z0-9.\-\[\]:]+")
_LINES = compat32.clone(linesep="\r\n", max_line_length=998)  # folded, a link would no longer be one word
_LONGEST_LINE = 900
_QUOTED = Charset("utf-8")
_QUOTED.body_encoding = QP
_LEADING_DOT = re.compile(rb"(?m)^\.")
_GOING_DOWN = 421


class EmailSender:
    """SMTP knows no keys: a mail whose connection broke after its last byte may have arrived or not."""

    name = "email"
    honours_keys = False

    def __init__(self, settings: Settings) -> None:
        self.rate_per_s = settings.mail_rate_per_s
        self._settings = settings
        self._idle: LifoQueue[smtplib.SMTP] = LifoQueue()
        self._from = parseaddr(settings.mail_from)[1]

    def send(self, message: Message) -> str:
        message_id, data = compose(message, self._settings.mail_from)
        connection = self._begin(message.address)
        try:
            _hand_over(connection, data)
        except TransientError as error:
            self._leave(connection, usable=error.kind == "deferred")
            raise
        except PermanentError:
            self._leave(connection, usable=True)
            raise
        except BaseException:
            connection.close()
            raise
        self._idle.put(connection)
        return message_id

    def rest(self) -> None:
        while connection := self._kept():
            self._leave(connection, usable=False)

    def close(self) -> None:
        self.rest()

    def _begin(self, recipient: str) -> smtplib.SMTP:
        """A connection that has accepted the envelope. One that the server has closed meanwhile is replaced."""
        while connection := self._kept():
            try:
                return self._envelope(connection, recipient)
            except (smtplib.SMTPServerDisconnected, OSError):
                connection.close()
        try:
            return self._envelope(self._open(), recipient)
        except (smtplib.SMTPException, OSError) as error:
            raise TransientError("connection", type(error).__name__) from error

    def _kept(self) -> smtplib.SMTP | None:
        try:
            return self._idle.get_nowait()
        except Empty:
            return None

    def _open(self) -> smtplib.SMTP:
        settings = self._settings
        connection = smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=settings.smtp_timeout_s)
        try:
            if settings.smtp_starttls:
                connection.starttls(context=ssl.create_default_context())
            if settings.smtp_username:
                connection.login(settings.smtp_username, settings.smtp_password)
            connection.ehlo_or_helo_if_needed()
        except BaseException:
            connection.close()
            raise
        return connection

    def _envelope(self, connection: smtplib.SMTP, recipient: str) -> smtplib.SMTP:
        code, _ = connection.mail(self._from)
        refusal: OutsideError | None = None if code == 250 else _sender_refusal(code)
        if refusal is None:
            code, _ = connection.rcpt(recipient)
            refusal = None if code in {250, 251} else _refusal(code, "bad_address")
        if refusal is not None:
            self._leave(connection, usable=code != _GOING_DOWN)
            raise refusal
        return connection

    def _leave(self, connection: smtplib.SMTP, *, usable: bool) -> None:
        """Keep the connection for the next mail, or say goodbye; a server that is gone already is no trouble."""
        try:
            if usable:
                connection.rset()
                self._idle.put(connection)
            else:
                connection.quit()
        except (smtplib.SMTPException, OSError):
            connection.close()


def compose(message: Message, sender: str) -> tuple[str, bytes]:
    """The Message-ID, which follows from the key so that a repeated mail can be told, and the mail as it goes out.

    Made with the older classes of ``email``: the newer ones parse every header that is set, and take three times as
    long. So what they would have checked is checked here. Raises ``PermanentError`` for an impossible address.
    """
    if not _ADDRESS.fullmatch(message.address):
        raise PermanentError("bad_address", "no mail address")
    name, address = parseaddr(sender)
    message_id = f"<{message.key.replace(':', '.')}@{address.rpartition('@')[2]}>"
    mail = MIMEMultipart("alternative", policy=_LINES)
    mail["From"] = formataddr((name, address))
    mail["To"] = formataddr((_one_line(message.name), message.address))
    mail["Subject"] = _encoded(_one_line(message.subject))
    mail["Message-ID"] = message_id
    mail["Date"] = format_datetime(message.at)
    mail["Auto-Submitted"] = "auto-generated"
    mail["List-Unsubscribe"] = f"<{message.unsubscribe_url}>"
    mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    mail.attach(_part(message.text, "plain"))
    mail.attach(_part(message.html, "html"))
    return message_id, mail.as_bytes(policy=_LINES)


def _part(text: str, kind: str) -> MIMEText:
    """As it stands where mail can carry it so, which people can read in a file, else quoted-printable."""
    as_it_stands = text.isascii() and all(len(line) < _LONGEST_LINE for line in text.splitlines())
    # A charset object is allowed, whatever the stubs say: it tells how to carry the text, too.
    return MIMEText(text, kind, "us-ascii" if as_it_stands else _QUOTED, policy=_LINES)  # type: ignore[arg-type]


def _encoded(text: str) -> str:
    return text if text.isascii() else Header(text, "utf-8", header_name="Subject").encode()


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _hand_over(connection: smtplib.SMTP, data: bytes) -> None:
    """The DATA part. Until its last byte a broken connection means "not sent"; after it nobody knows."""
    try:
        code, _ = connection.docmd("DATA")
        if code != 354:
            raise _refusal(code, "refused")
    except (smtplib.SMTPServerDisconnected, OSError) as error:
        raise TransientError("connection", type(error).__name__) from error
    try:
        connection.send(_LEADING_DOT.sub(b"..", data) + b".\r\n")
        code, _ = connection.getreply()
    except (smtplib.SMTPServerDisconnected, OSError) as error:
        raise AmbiguousError("connection", type(error).__name__) from error
    if code != 250:
        raise _refusal(code, "refused")


def _sender_refusal(code: int) -> TransientError:
    """It is about us, not about the recipient: all the other mails would fare alike, so none of them is given up."""
    return TransientError("sender_refused", f"MAIL FROM: {code}")


def _refusal(code: int, kind: str) -> TransientError | PermanentError:
    if 400 <= code < 500:
        return TransientError("going_down" if code == _GOING_DOWN else "deferred", f"SMTP {code}")
    return PermanentError(kind, f"SMTP {code}")
