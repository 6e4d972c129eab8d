"""Every route of the API, one method each. Written by clients/generate.py; do not edit."""

from urllib.parse import quote


class Routes:
    """What a client can ask; `Client` brings the connection."""

    def request(self, method, path, query=None, headers=None, json=None, data=None):
        raise NotImplementedError

    def post_admin_bootstrap(self, body):
        """Become the first administrator. For: everybody."""
        return self.request("POST", "/admin/bootstrap", json=body)

    def get_events(self, *, actor=None, room=None, user=None, limit=None, after=None, before=None):
        """Read the audit trail. For: administrators."""
        return self.request(
            "GET",
            "/events",
            query={"actor": actor, "room": room, "user": user, "limit": limit, "after": after, "before": before},
        )

    def get_ice_servers(self):
        """Find ways for browsers to each other. For: everybody who is logged in."""
        return self.request("GET", "/ice-servers")

    def post_live_tickets(self, body=None, *, idempotency_key=None):
        """Get a ticket for a socket or an event stream. For: everybody who is logged in."""
        return self.request(
            "POST",
            "/live-tickets",
            headers={"Idempotency-Key": idempotency_key},
            json=body if body is not None else {},
        )

    def get_models(self):
        """List the models, and what each can say. For: everybody who is logged in."""
        return self.request("GET", "/models")

    def post_models_model_signs(self, model, body, *, idempotency_key=None):
        """Teach a sign from clips. For: administrators."""
        return self.request(
            "POST",
            f"/models/{quote(str(model), safe='')}/signs",
            headers={"Idempotency-Key": idempotency_key},
            json=body,
        )

    def get_openapi_json(self):
        """Read this document. For: everybody."""
        return self.request("GET", "/openapi.json")

    def post_password_resets(self, body):
        """Ask for a link to a new password by mail. For: everybody."""
        return self.request("POST", "/password-resets", json=body)

    def put_password_resets_secret(self, secret, body):
        """Set a new password by a link. For: everybody."""
        return self.request("PUT", f"/password-resets/{quote(str(secret), safe='')}", json=body)

    def get_rooms(self, *, limit=None, after=None, before=None):
        """List rooms: own and joined; administrators see all. For: everybody who is logged in."""
        return self.request("GET", "/rooms", query={"limit": limit, "after": after, "before": before})

    def post_rooms(self, body=None, *, idempotency_key=None):
        """Create a room. For: everybody who is logged in."""
        return self.request(
            "POST",
            "/rooms",
            headers={"Idempotency-Key": idempotency_key},
            json=body if body is not None else {},
        )

    def delete_rooms_code(self, code, body=None, *, if_match=None, idempotency_key=None):
        """Delete a room with everything in it. For: the room's owner, and administrators."""
        return self.request(
            "DELETE",
            f"/rooms/{quote(str(code), safe='')}",
            headers={"If-Match": if_match, "Idempotency-Key": idempotency_key},
            json=body if body is not None else {},
        )

    def get_rooms_code(self, code):
        """See a room. For: those who are in the room, and those who watch over it."""
        return self.request("GET", f"/rooms/{quote(str(code), safe='')}")

    def patch_rooms_code(self, code, body=None, *, if_match=None, idempotency_key=None):
        """Run a room in another way, or hand it over. For: the room's owner, and administrators."""
        return self.request(
            "PATCH",
            f"/rooms/{quote(str(code), safe='')}",
            headers={"If-Match": if_match, "Idempotency-Key": idempotency_key},
            json=body if body is not None else {},
        )

    def put_rooms_code_captions_me(self, code, body, *, idempotency_key=None):
        """Switch captions of one's signing on or off. For: those who are in the room."""
        return self.request(
            "PUT",
            f"/rooms/{quote(str(code), safe='')}/captions/me",
            headers={"Idempotency-Key": idempotency_key},
            json=body,
        )

    def get_rooms_code_chat_json(self, code, *, min_position=None):
        """Export the chat as JSON. For: those who are in the room, and those who watch over it."""
        return self.request(
            "GET",
            f"/rooms/{quote(str(code), safe='')}/chat.json",
            headers={"Min-Position": min_position},
        )

    def get_rooms_code_chat_txt(self, code, *, min_position=None):
        """Export the chat as plain text. For: those who are in the room, and those who watch over it."""
        return self.request(
            "GET",
            f"/rooms/{quote(str(code), safe='')}/chat.txt",
            headers={"Min-Position": min_position},
        )

    def post_rooms_code_close(self, code, body=None, *, if_match=None, idempotency_key=None):
        """End the call. For: the room's owner, and administrators."""
        return self.request(
            "POST",
            f"/rooms/{quote(str(code), safe='')}/close",
            headers={"If-Match": if_match, "Idempotency-Key": idempotency_key},
            json=body if body is not None else {},
        )

    def post_rooms_code_frames(self, code, data, media_type, *, stream=None, idempotency_key=None):
        """Send frames of one's signing. For: those who are in the room."""
        return self.request(
            "POST",
            f"/rooms/{quote(str(code), safe='')}/frames",
            query={"stream": stream},
            headers={"Idempotency-Key": idempotency_key, "Content-Type": media_type},
            data=data,
        )

    def post_rooms_code_frames_end(self, code, body=None, *, stream=None, idempotency_key=None):
        """Finish what is open in a stream. For: those who are in the room."""
        return self.request(
            "POST",
            f"/rooms/{quote(str(code), safe='')}/frames/end",
            query={"stream": stream},
            headers={"Idempotency-Key": idempotency_key},
            json=body if body is not None else {},
        )

    def get_rooms_code_messages(self, code, *, limit=None, after=None, before=None, min_position=None):
        """List messages. For: those who are in the room, and those who watch over it."""
        return self.request(
            "GET",
            f"/rooms/{quote(str(code), safe='')}/messages",
            query={"limit": limit, "after": after, "before": before},
            headers={"Min-Position": min_position},
        )

    def post_rooms_code_messages(self, code, body, *, idempotency_key=None):
        """Send a message. For: those who are in the room."""
        return self.request(
            "POST",
            f"/rooms/{quote(str(code), safe='')}/messages",
            headers={"Idempotency-Key": idempotency_key},
            json=body,
        )

    def delete_rooms_code_messages_id(self, code, id, body=None, *, if_match=None, idempotency_key=None):
        """Delete one's message, or as owner anybody's. For: those who are in the room."""
        return self.request(
            "DELETE",
            f"/rooms/{quote(str(code), safe='')}/messages/{quote(str(id), safe='')}",
            headers={"If-Match": if_match, "Idempotency-Key": idempotency_key},
            json=body if body is not None else {},
        )

    def get_rooms_code_messages_id(self, code, id, *, min_position=None):
        """See a message. For: those who are in the room, and those who watch over it."""
        return self.request(
            "GET",
            f"/rooms/{quote(str(code), safe='')}/messages/{quote(str(id), safe='')}",
            headers={"Min-Position": min_position},
        )

    def patch_rooms_code_messages_id(self, code, id, body, *, if_match=None, idempotency_key=None):
        """Edit one's message. For: those who are in the room."""
        return self.request(
            "PATCH",
            f"/rooms/{quote(str(code), safe='')}/messages/{quote(str(id), safe='')}",
            headers={"If-Match": if_match, "Idempotency-Key": idempotency_key},
            json=body,
        )

    def get_rooms_code_messages_id_revisions(self, code, id, *, min_position=None):
        """See what a message said before. For: those who are in the room, and those who watch over it."""
        return self.request(
            "GET",
            f"/rooms/{quote(str(code), safe='')}/messages/{quote(str(id), safe='')}/revisions",
            headers={"Min-Position": min_position},
        )

    def get_rooms_code_participants(self, code, *, limit=None, after=None, before=None):
        """List participants, and who waits. For: those who are in the room, and those who watch over it."""
        return self.request(
            "GET",
            f"/rooms/{quote(str(code), safe='')}/participants",
            query={"limit": limit, "after": after, "before": before},
        )

    def post_rooms_code_participants(self, code, body=None):
        """Join; without credentials as a guest. For: everybody."""
        return self.request(
            "POST",
            f"/rooms/{quote(str(code), safe='')}/participants",
            json=body if body is not None else {},
        )

    def delete_rooms_code_participants_me(self, code, body=None, *, idempotency_key=None):
        """Leave. For: those who are in the room."""
        return self.request(
            "DELETE",
            f"/rooms/{quote(str(code), safe='')}/participants/me",
            headers={"Idempotency-Key": idempotency_key},
            json=body if body is not None else {},
        )

    def delete_rooms_code_participants_user_id(self, code, user_id, body=None, *, idempotency_key=None):
        """Send somebody away. For: the room's owner, and administrators."""
        return self.request(
            "DELETE",
            f"/rooms/{quote(str(code), safe='')}/participants/{quote(str(user_id), safe='')}",
            headers={"Idempotency-Key": idempotency_key},
            json=body if body is not None else {},
        )

    def put_rooms_code_participants_user_id_admission(self, code, user_id, body, *, idempotency_key=None):
        """Let somebody in, or not. For: the room's owner, and administrators."""
        return self.request(
            "PUT",
            f"/rooms/{quote(str(code), safe='')}/participants/{quote(str(user_id), safe='')}/admission",
            headers={"Idempotency-Key": idempotency_key},
            json=body,
        )

    def post_rooms_code_participants_user_id_lobby(self, code, user_id, body=None, *, idempotency_key=None):
        """Send somebody back to the lobby. For: the room's owner, and administrators."""
        return self.request(
            "POST",
            f"/rooms/{quote(str(code), safe='')}/participants/{quote(str(user_id), safe='')}/lobby",
            headers={"Idempotency-Key": idempotency_key},
            json=body if body is not None else {},
        )

    def get_rooms_code_presence(self, code):
        """See who is connected. For: those who are in the room, and those who watch over it."""
        return self.request("GET", f"/rooms/{quote(str(code), safe='')}/presence")

    def get_rooms_code_transcript_json(self, code, *, min_position=None):
        """Export as JSON. For: those who are in the room, and those who watch over it."""
        return self.request(
            "GET",
            f"/rooms/{quote(str(code), safe='')}/transcript.json",
            headers={"Min-Position": min_position},
        )

    def get_rooms_code_transcript_srt(self, code, *, min_position=None):
        """Export as SubRip. For: those who are in the room, and those who watch over it."""
        return self.request(
            "GET",
            f"/rooms/{quote(str(code), safe='')}/transcript.srt",
            headers={"Min-Position": min_position},
        )

    def get_rooms_code_transcript_txt(self, code, *, min_position=None):
        """Export as plain text. For: those who are in the room, and those who watch over it."""
        return self.request(
            "GET",
            f"/rooms/{quote(str(code), safe='')}/transcript.txt",
            headers={"Min-Position": min_position},
        )

    def get_rooms_code_transcript_vtt(self, code, *, min_position=None):
        """Export as WebVTT. For: those who are in the room, and those who watch over it."""
        return self.request(
            "GET",
            f"/rooms/{quote(str(code), safe='')}/transcript.vtt",
            headers={"Min-Position": min_position},
        )

    def get_rooms_code_transcripts(self, code, *, q=None, user_id=None, limit=None, after=None, before=None, min_position=None):
        """List or search segments. For: those who are in the room, and those who watch over it."""
        return self.request(
            "GET",
            f"/rooms/{quote(str(code), safe='')}/transcripts",
            query={"q": q, "user_id": user_id, "limit": limit, "after": after, "before": before},
            headers={"Min-Position": min_position},
        )

    def post_rooms_code_transcripts(self, code, body, *, idempotency_key=None):
        """Type a caption. For: those who are in the room."""
        return self.request(
            "POST",
            f"/rooms/{quote(str(code), safe='')}/transcripts",
            headers={"Idempotency-Key": idempotency_key},
            json=body,
        )

    def get_rooms_code_transcripts_id(self, code, id, *, min_position=None):
        """See a segment. For: those who are in the room, and those who watch over it."""
        return self.request(
            "GET",
            f"/rooms/{quote(str(code), safe='')}/transcripts/{quote(str(id), safe='')}",
            headers={"Min-Position": min_position},
        )

    def patch_rooms_code_transcripts_id(self, code, id, body, *, if_match=None, idempotency_key=None):
        """Correct a segment. For: those who are in the room."""
        return self.request(
            "PATCH",
            f"/rooms/{quote(str(code), safe='')}/transcripts/{quote(str(id), safe='')}",
            headers={"If-Match": if_match, "Idempotency-Key": idempotency_key},
            json=body,
        )

    def get_rooms_code_transcripts_id_revisions(self, code, id, *, min_position=None):
        """See its earlier texts. For: those who are in the room, and those who watch over it."""
        return self.request(
            "GET",
            f"/rooms/{quote(str(code), safe='')}/transcripts/{quote(str(id), safe='')}/revisions",
            headers={"Min-Position": min_position},
        )

    def delete_tokens(self, body=None, *, idempotency_key=None):
        """Log out everywhere. For: everybody who is logged in."""
        return self.request(
            "DELETE",
            "/tokens",
            headers={"Idempotency-Key": idempotency_key},
            json=body if body is not None else {},
        )

    def get_tokens(self, *, limit=None, after=None, before=None):
        """List one's log-ins. For: everybody who is logged in."""
        return self.request("GET", "/tokens", query={"limit": limit, "after": after, "before": before})

    def post_tokens(self, body=None):
        """Log in, by HTTP Basic or with a body. For: everybody."""
        return self.request("POST", "/tokens", json=body)

    def delete_tokens_current(self, body=None, *, idempotency_key=None):
        """Log out. For: everybody who is logged in."""
        return self.request(
            "DELETE",
            "/tokens/current",
            headers={"Idempotency-Key": idempotency_key},
            json=body if body is not None else {},
        )

    def post_tokens_current_renew(self, body=None, *, idempotency_key=None):
        """Renew this token. For: everybody who is logged in."""
        return self.request(
            "POST",
            "/tokens/current/renew",
            headers={"Idempotency-Key": idempotency_key},
            json=body if body is not None else {},
        )

    def delete_tokens_id(self, id, body=None, *, idempotency_key=None):
        """End one log-in. For: everybody who is logged in."""
        return self.request(
            "DELETE",
            f"/tokens/{quote(str(id), safe='')}",
            headers={"Idempotency-Key": idempotency_key},
            json=body if body is not None else {},
        )

    def get_users(self, *, q=None, limit=None, after=None, before=None, min_position=None):
        """List users. For: administrators."""
        return self.request(
            "GET",
            "/users",
            query={"q": q, "limit": limit, "after": after, "before": before},
            headers={"Min-Position": min_position},
        )

    def post_users(self, body):
        """Register. For: everybody."""
        return self.request("POST", "/users", json=body)

    def delete_users_me(self, body, *, idempotency_key=None):
        """Delete one's account. For: everybody who is logged in."""
        return self.request("DELETE", "/users/me", headers={"Idempotency-Key": idempotency_key}, json=body)

    def get_users_me(self):
        """See oneself. For: everybody who is logged in."""
        return self.request("GET", "/users/me")

    def patch_users_me(self, body=None, *, idempotency_key=None):
        """Change name or address. For: everybody who is logged in."""
        return self.request(
            "PATCH",
            "/users/me",
            headers={"Idempotency-Key": idempotency_key},
            json=body if body is not None else {},
        )

    def get_users_me_export(self, *, min_position=None):
        """Get everything stored about oneself. For: everybody who is logged in."""
        return self.request("GET", "/users/me/export", headers={"Min-Position": min_position})

    def put_users_me_password(self, body, *, idempotency_key=None):
        """Change the password. For: everybody who is logged in."""
        return self.request(
            "PUT",
            "/users/me/password",
            headers={"Idempotency-Key": idempotency_key},
            json=body,
        )

    def delete_users_id(self, id, body=None, *, idempotency_key=None):
        """Delete a user. For: administrators."""
        return self.request(
            "DELETE",
            f"/users/{quote(str(id), safe='')}",
            headers={"Idempotency-Key": idempotency_key},
            json=body if body is not None else {},
        )

    def get_users_id(self, id):
        """See a user. For: administrators."""
        return self.request("GET", f"/users/{quote(str(id), safe='')}")

    def delete_users_id_admin(self, id, body=None, *, idempotency_key=None):
        """Make an administrator a user. For: administrators."""
        return self.request(
            "DELETE",
            f"/users/{quote(str(id), safe='')}/admin",
            headers={"Idempotency-Key": idempotency_key},
            json=body if body is not None else {},
        )

    def put_users_id_admin(self, id, body=None, *, idempotency_key=None):
        """Make a user an administrator. For: administrators."""
        return self.request(
            "PUT",
            f"/users/{quote(str(id), safe='')}/admin",
            headers={"Idempotency-Key": idempotency_key},
            json=body if body is not None else {},
        )

    def post_users_id_block(self, id, body, *, idempotency_key=None):
        """Block a user. For: administrators."""
        return self.request(
            "POST",
            f"/users/{quote(str(id), safe='')}/block",
            headers={"Idempotency-Key": idempotency_key},
            json=body,
        )

    def post_users_id_password_reset(self, id, body=None, *, idempotency_key=None):
        """Hand out a link to a new password. For: administrators."""
        return self.request(
            "POST",
            f"/users/{quote(str(id), safe='')}/password-reset",
            headers={"Idempotency-Key": idempotency_key},
            json=body if body is not None else {},
        )

    def post_users_id_unblock(self, id, body=None, *, idempotency_key=None):
        """Unblock a user. For: administrators."""
        return self.request(
            "POST",
            f"/users/{quote(str(id), safe='')}/unblock",
            headers={"Idempotency-Key": idempotency_key},
            json=body if body is not None else {},
        )

    def get_webhooks(self, *, limit=None, after=None, before=None):
        """List webhooks. For: everybody who is logged in."""
        return self.request("GET", "/webhooks", query={"limit": limit, "after": after, "before": before})

    def post_webhooks(self, body, *, idempotency_key=None):
        """Be told of what happens in rooms. For: everybody who is logged in."""
        return self.request("POST", "/webhooks", headers={"Idempotency-Key": idempotency_key}, json=body)

    def delete_webhooks_id(self, id, body=None, *, idempotency_key=None):
        """End a webhook. For: the room's owner, and administrators."""
        return self.request(
            "DELETE",
            f"/webhooks/{quote(str(id), safe='')}",
            headers={"Idempotency-Key": idempotency_key},
            json=body if body is not None else {},
        )

    def get_webhooks_id(self, id):
        """See a webhook. For: the room's owner, and administrators."""
        return self.request("GET", f"/webhooks/{quote(str(id), safe='')}")

    def patch_webhooks_id(self, id, body, *, idempotency_key=None):
        """Disable a webhook, or enable it again. For: the room's owner, and administrators."""
        return self.request(
            "PATCH",
            f"/webhooks/{quote(str(id), safe='')}",
            headers={"Idempotency-Key": idempotency_key},
            json=body,
        )

    def get_webhooks_id_deliveries(self, id, *, limit=None, after=None, before=None, min_position=None):
        """List deliveries. For: the room's owner, and administrators."""
        return self.request(
            "GET",
            f"/webhooks/{quote(str(id), safe='')}/deliveries",
            query={"limit": limit, "after": after, "before": before},
            headers={"Min-Position": min_position},
        )

    def post_webhooks_id_deliveries_n_retry(self, id, n, body=None, *, idempotency_key=None):
        """Deliver once more. For: the room's owner, and administrators."""
        return self.request(
            "POST",
            f"/webhooks/{quote(str(id), safe='')}/deliveries/{quote(str(n), safe='')}/retry",
            headers={"Idempotency-Key": idempotency_key},
            json=body if body is not None else {},
        )

    def post_webhooks_id_rotate_secret(self, id, body=None, *, idempotency_key=None):
        """Sign with another secret. For: the room's owner, and administrators."""
        return self.request(
            "POST",
            f"/webhooks/{quote(str(id), safe='')}/rotate-secret",
            headers={"Idempotency-Key": idempotency_key},
            json=body if body is not None else {},
        )

    def post_webhooks_id_test(self, id, body=None, *, idempotency_key=None):
        """Try a webhook out. For: the room's owner, and administrators."""
        return self.request(
            "POST",
            f"/webhooks/{quote(str(id), safe='')}/test",
            headers={"Idempotency-Key": idempotency_key},
            json=body if body is not None else {},
        )
