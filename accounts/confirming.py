"""Acts that cannot be taken back are asked about once more.

With JavaScript the page asks in a dialog of its own (static/js/confirm.js) and sends
`confirmed`; without, the first POST is answered by a page that asks and sends it again.
"""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

NOT_SENT_AGAIN = {"csrfmiddlewaretoken", "confirmed"}


def ask_first(
    request: HttpRequest, *, title: str, text: str, action: str, back: str
) -> HttpResponse | None:
    """A page that asks; None once the answer was yes.

    :param action: what the button says, a verb and its object.
    :param back: the address for "no".
    """
    if request.POST.get("confirmed") == "yes":
        return None
    fields = [
        (name, value)
        for name, values in request.POST.lists()
        if name not in NOT_SENT_AGAIN
        for value in values
    ]
    context = {"title": title, "text": text, "action": action, "back": back, "fields": fields}
    return render(request, "confirm.html", context)
