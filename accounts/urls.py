"""Pages of accounts."""

from django.urls import path

from accounts.views import account, disclosures, verification, webhooks

urlpatterns = [
    path("account/", account.account, name="account"),
    path("account/security/", account.security, name="security"),
    path("account/keys/new/", account.new_key, name="new_key"),
    path("account/keys/<str:key_id>/revoke/", account.revoke_key, name="revoke_key"),
    path("verification/", verification.verification, name="verification"),
    path("verification/details/", verification.details, name="verification_details"),
    path("verification/documents/", verification.documents, name="verification_documents"),
    path(
        "verification/documents/<uuid:document_id>/remove/",
        verification.remove_document,
        name="verification_document_remove",
    ),
    path("verification/submit/", verification.submit, name="verification_submit"),
    path("verification/review/", verification.request_review, name="verification_review"),
    path("disclosures/", disclosures.disclosures, name="disclosures"),
    path("disclosures/<str:subject>/", disclosures.disclosure, name="disclosure"),
    path("disclosures/<str:subject>/accept/", disclosures.accept, name="accept_disclosure"),
    path("webhooks/kyc/", webhooks.kyc_webhook, name="kyc_webhook"),
]
