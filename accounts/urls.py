"""Pages of accounts."""

from django.urls import path

from accounts.views import account, disclosures, verification

urlpatterns = [
    path("account/", account.account, name="account"),
    path("account/security/", account.security, name="security"),
    path("account/keys/new/", account.new_key, name="new_key"),
    path("account/keys/<str:key_id>/revoke/", account.revoke_key, name="revoke_key"),
    path("verification/", verification.verification, name="verification"),
    path("verification/details/", verification.verification, name="verification_details"),
    path("verification/documents/", verification.verification, name="verification_documents"),
    path("disclosures/", disclosures.disclosures, name="disclosures"),
    path("disclosures/<str:subject>/", disclosures.disclosure, name="disclosure"),
]
