"""Runs in the Label Studio environment: migrates an empty database and makes the people that the tests sign in as.

Prints one JSON object: e-mail → {"token": personal access token, "legacy": legacy token}. Both survive copying the folder.
"""

import json
import os
import sys

PASSWORD = "a-test-password-1"
PEOPLE = ("ada@example.com", "ben@example.com", "expert@example.com", "gone@example.com", "lead@example.com")


def main() -> None:
    import label_studio

    sys.path.insert(0, os.path.dirname(label_studio.__file__))
    os.environ["DJANGO_SETTINGS_MODULE"] = "core.settings.label_studio"
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0, interactive=False)
    from jwt_auth.models import LSAPIToken
    from organizations.models import Organization
    from users.models import User

    organization, tokens = None, {}
    for email in reversed(PEOPLE):
        user = User.objects.create_user(email=email, password=PASSWORD)
        if organization is None:
            organization = Organization.create_organization(created_by=user, title="Tests")
        else:
            organization.add_user(user)
        user.active_organization = organization
        user.save(update_fields=["active_organization"])
        tokens[email] = {"token": LSAPIToken.for_user(user).get_full_jwt(), "legacy": user.auth_token.key}
    organization.jwt.api_tokens_enabled = True
    organization.jwt.legacy_api_tokens_enabled = True
    organization.jwt.save()
    sys.stdout.write(json.dumps(tokens) + "\n")


if __name__ == "__main__":
    main()
