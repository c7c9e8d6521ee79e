"""Forms of the account pages."""

from django import forms

from accounts.models import ApiKey

SCOPE_WORDS = [
    ("read", "Read: balances, orders, history"),
    ("trade", "Trade: place and cancel orders"),
    ("fund", "Fund: deposit addresses, redemptions"),
]
KIND_WORDS = [
    (ApiKey.Kind.NATIVE.value, "Bourse: /api/v1 and /ws/v1"),
    (ApiKey.Kind.KRAKEN.value, "Kraken-compatible: /0/private, for existing clients such as ccxt"),
]


class NewKeyForm(forms.Form):
    """What a new API key may do, and which signature it uses."""

    label = forms.CharField(
        label="What is it for?",
        max_length=80,
        help_text="A name that tells you later which program has it.",
    )
    kind = forms.ChoiceField(
        label="Protocol", choices=KIND_WORDS, widget=forms.RadioSelect, initial=KIND_WORDS[0][0]
    )
    scopes = forms.MultipleChoiceField(
        label="What may it do?", choices=SCOPE_WORDS, widget=forms.CheckboxSelectMultiple
    )
