"""Logins and groups. What an officer may do is proposed by one and confirmed by another."""

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.admin import ModelAdmin
from unfold.decorators import action
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.admin.base import officer_of
from accounts.models import User
from accounts.operations import staff_access
from kernel import clock
from kernel.refusals import Refusal
from reference.read_only import ReadOnly, ReadOnlyAdmin

# allauth's own pages would let one administrator give an officer's login another address
# or device, or read the key of its session, and so be two officers.
admin.site.unregister([Group, EmailAddress, Authenticator, UserSession])


@admin.register(Group)
class GroupAdmin(ReadOnly, DjangoGroupAdmin, ModelAdmin):  # type: ignore[misc]
    """What staff may do hangs on groups; accounts/staff_groups.py says what each may."""


@admin.register(EmailAddress)
class EmailAddressAdmin(ReadOnlyAdmin):
    list_display = ["email", "user", "primary", "verified"]
    search_fields = ["email"]


@admin.register(Authenticator)
class AuthenticatorAdmin(ReadOnlyAdmin):
    list_display = ["user", "type", "created_at", "last_used_at"]
    list_filter = ["type"]
    search_fields = ["user__email"]
    exclude = ["data"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """An investor who lost a device; an officer's second factor stays."""
        if obj is None or obj.user.is_staff:
            return False
        return request.user.has_perm("mfa.delete_authenticator")


@admin.register(UserSession)
class UserSessionAdmin(ReadOnlyAdmin):
    list_display = ["user", "created_at", "last_seen_at", "ip", "user_agent"]
    search_fields = ["user__email", "ip"]
    exclude = ["session_key", "data"]


class AccessForm(forms.Form):
    is_staff = forms.BooleanField(required=False)
    groups = forms.ModelMultipleChoiceField(
        queryset=Group.objects.order_by("name"), required=False,
        widget=forms.CheckboxSelectMultiple,
    )  # fmt: skip
    reason = forms.CharField(max_length=300, widget=UnfoldAdminTextInputWidget)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[misc, type-arg]
    """Logins. What somebody may do is a group's, not a login's own."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["email", "full_name", "is_staff", "is_active", "joined_at", "last_login"]
    list_filter = ["is_staff", "is_active", "groups"]
    search_fields = ["email", "full_name"]
    ordering = ["email"]
    readonly_fields = ["is_staff", "groups", "joined_at", "last_login"]
    filter_horizontal = []
    fieldsets = [
        (None, {"fields": ["email", "full_name", "password"]}),
        ("Staff", {"fields": ["is_active", "is_staff", "groups"]}),
        ("Dates", {"fields": ["joined_at", "last_login"]}),
    ]
    add_fieldsets = [
        (None, {"fields": ["email", "full_name", "usable_password", "password1", "password2"]}),
    ]
    actions_detail = ["change_access"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """An officer's address is where a password is set anew: it stays.

        Who was shut out comes back as a new officer does: by two.
        """
        fields = [*super().get_readonly_fields(request, obj)]
        if obj is None or not obj.is_staff:
            return fields
        return ["email", *fields] if obj.is_active else ["email", "is_active", *fields]

    def user_change_password(
        self, request: HttpRequest, id: str, form_url: str = ""
    ) -> HttpResponse:
        """Nobody gives an officer a password: who knew it could sign as that officer."""
        user = self.get_object(request, id)
        if user is not None and user.is_staff and user.pk != request.user.pk:
            messages.error(request, "Officers set their own password, by e-mail.")
            return HttpResponseRedirect(reverse("admin:accounts_user_change", args=[id]))
        answer: HttpResponse = super().user_change_password(request, id, form_url)
        return answer

    def has_change_access_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(staff_access.PERMISSION)

    @action(  # type: ignore[untyped-decorator]
        description="Change access", url_path="access", permissions=["change_access"]
    )
    def change_access(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Propose what this login may do at the desk."""
        login = self.get_object(request, object_id)
        if login is None:
            raise Http404
        back = reverse("admin:accounts_user_change", args=[object_id])
        initial = {"is_staff": login.is_staff, "groups": login.groups.all()}
        form = AccessForm(request.POST or None, initial=initial)
        if request.method == "POST" and form.is_valid():
            proposal = self._propose(request, login, form)
            if proposal:
                return HttpResponseRedirect(proposal)
        context = {
            **self.admin_site.each_context(request),
            "title": f"What {login.email} may do",
            "login": login, "form": form, "back": back,
            "proposal": staff_access.get_open_proposal(user_id=login.pk),
        }  # fmt: skip
        return TemplateResponse(request, "admin/accounts/user/access.html", context)

    def _propose(self, request: HttpRequest, login: User, form: AccessForm) -> str:
        """The proposal's address; "" when it was refused, and the form says why."""
        try:
            proposal = staff_access.propose_access(
                user_id=login.pk, is_staff=form.cleaned_data["is_staff"],
                groups=[group.name for group in form.cleaned_data["groups"]],
                reason=form.cleaned_data["reason"], officer=officer_of(request), now=clock.now(),
            )  # fmt: skip
        except Refusal as refusal:
            form.add_error(None, refusal.message)
            return ""
        messages.success(request, "Proposed. Another administrator has to confirm it.")
        return reverse("admin:accounts_proposal_change", args=[proposal.id])
