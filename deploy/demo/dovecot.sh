#!/usr/bin/env bash
# A private Dovecot for the demo and the tests: POP3 over TLS and with STLS, on free ports of 127.0.0.1, all of its
# files in one folder. Nothing outside that folder is read or written.
#
#   dovecot.sh DIR USER...     each USER, as alice or alice@example.com, gets an empty maildrop and the password "pw"
#
# AUTH_MECHANISMS names the mechanisms that it offers, by default "plain login". With INTROSPECTION_URL it takes access
# tokens too (xoauth2, oauthbearer), and asks there (RFC 7662) whose they are. AUTH_FAILURE_DELAY, such as 2s, is how
# long a wrong password waits for its answer. With LMTP=yes it takes mail by LMTP too, from whoever can reach the port.
#
# Prints where everything is, as KEY=VALUE lines that end with DOVECOT=1, and then *becomes* Dovecot: stop it by
# this process's id. It also stops when its parent dies. Exit 89 means that a port was taken in between: try again.
# Needs: dovecot (2.3 or 2.4; with LMTP its lmtpd), openssl, setpriv. Runs as root or as a plain user.
set -euo pipefail
export PATH="$PATH:/usr/sbin:/sbin"

[[ $# -ge 2 ]] || { echo "usage: dovecot.sh DIR USER..." >&2; exit 64; }
mkdir -p "$1"
dir=$(cd "$1" && pwd)
shift

for tool in dovecot openssl setpriv; do
    command -v "$tool" >/dev/null || { echo "dovecot.sh: $tool is not installed" >&2; exit 69; }
done
version=$(dovecot --version)

# As root, Dovecot drops to its packages' users and reads mail as "mail"; a plain user does everything as himself.
if [[ $EUID -eq 0 ]]; then
    owner=mail
    group=mail
    chmod 711 "$dir"
else
    owner=$(id -un)
    group=$(id -gn)
fi

# --- a throw-away authority, and a certificate for "localhost" and "pop.test" (not for 127.0.0.1) ---------------
mkdir -p "$dir/certs"
(
    cd "$dir/certs"
    key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 7)
    openssl req -x509 "${key[@]}" -keyout ca.key -out ca.pem -subj "/CN=throw-away authority"
    openssl req "${key[@]}" -keyout server.key -out server.csr -subj "/CN=localhost"
    openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 7 -out server.pem \
        -extfile <(printf 'subjectAltName=DNS:localhost,DNS:pop.test\nextendedKeyUsage=serverAuth\n')
) >"$dir/certs/log" 2>&1 || { cat "$dir/certs/log" >&2; exit 70; }

# --- maildrops ---------------------------------------------------------------------------------------------------
: >"$dir/users"
for user in "$@"; do
    mkdir -p "$dir/mail/$user"/{new,cur,tmp}
    echo "$user:{PLAIN}pw::::::" >>"$dir/users"
done
if [[ $EUID -eq 0 ]]; then
    chown -R "$owner:$group" "$dir/mail"
    setpriv --reuid "$owner" --regid "$group" --clear-groups test -r "$dir/mail/$1/new" || {
        echo "dovecot.sh: user $owner cannot reach $dir: set TMPDIR to a folder that every user may enter, as /tmp" >&2
        exit 77
    }
fi

# --- two free ports, below those that the kernel gives to outgoing connections -----------------------------------
free_port() {
    local port
    while :; do
        port=$((10000 + (RANDOM * 32768 + RANDOM) % 22000))
        (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
    done
}
pop3_port=$(free_port)
pop3s_port=$(free_port)
lmtp_port=
[[ ${LMTP:-} != yes ]] || lmtp_port=$(free_port)

mechanisms=${AUTH_MECHANISMS:-plain login}

# --- the configuration: what both lines of Dovecot share, then what each calls by its own name ---------------------
conf=$dir/dovecot.conf
{
    if [[ $version == 2.[4-9].* ]]; then
        cat <<END
dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
END
    fi
    cat <<END
base_dir = $dir/run
state_dir = $dir/state
log_path = $dir/dovecot.log
info_log_path = $dir/dovecot.log
protocols = pop3${lmtp_port:+ lmtp}
listen = 127.0.0.1
ssl = yes
auth_mechanisms = $mechanisms${INTROSPECTION_URL:+ xoauth2 oauthbearer}
# No punishment for wrong passwords: the tests send them on purpose.
auth_failure_delay = ${AUTH_FAILURE_DELAY:-0}
mail_uid = $owner
mail_gid = $group
first_valid_uid = 1
first_valid_gid = 1
pop3_lock_session = yes
mail_max_userip_connections = 100
shutdown_clients = yes
service pop3-login {
  inet_listener pop3 {
    port = $pop3_port
  }
  inet_listener pop3s {
    port = $pop3s_port
    ssl = yes
  }
}
END
    if [[ -n $lmtp_port ]]; then
        cat <<END
service lmtp {
  inet_listener lmtp {
    port = $lmtp_port
  }
}
END
    fi
    if [[ $EUID -eq 0 ]]; then
        cat <<END
service stats {
  unix_listener stats-writer {
    mode = 0666
  }
}
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
END
    else
        cat <<END
default_internal_user = $owner
default_internal_group = $group
default_login_user = $owner
service anvil {
  chroot =
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service pop3-login {
  chroot =
}
END
    fi
    if [[ $version == 2.[4-9].* ]]; then
        cat <<END
ssl_server_cert_file = $dir/certs/server.pem
ssl_server_key_file = $dir/certs/server.key
auth_allow_cleartext = yes
mail_driver = maildir
mail_home = $dir/mail/%{user}
mail_path = $dir/mail/%{user}
pop3_uidl_format = %{guid}
passdb passwd-file {
  passwd_file_path = $dir/users
}
userdb static {
  fields {
    uid = $owner
    gid = $group
    home = $dir/mail/%{user}
  }
}
END
    else
        cat <<END
ssl_cert = <$dir/certs/server.pem
ssl_key = <$dir/certs/server.key
disable_plaintext_auth = no
mail_location = maildir:$dir/mail/%u
pop3_uidl_format = %g
passdb {
  driver = passwd-file
  mechanisms = $mechanisms
  args = $dir/users
}
userdb {
  driver = static
  args = uid=$owner gid=$group home=$dir/mail/%u allow_all_users=yes
}
END
    fi
    if [[ -n ${INTROSPECTION_URL:-} ]]; then
        settings="introspection_url = $INTROSPECTION_URL
  introspection_mode = post
  force_introspection = yes
  active_attribute = active
  active_value = true
  username_attribute = username"
        if [[ $version == 2.[4-9].* ]]; then
            printf 'oauth2 {\n  %s\n}\n' "$settings"
        else
            echo "$settings" >"$dir/oauth2.conf"
            cat <<END
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = $dir/oauth2.conf
}
END
        fi
    fi
} >"$conf"

cat <<END
VERSION=${version%% *}
POP3_PORT=$pop3_port
POP3S_PORT=$pop3s_port
LMTP_PORT=$lmtp_port
CA_FILE=$dir/certs/ca.pem
MAIL_DIR=$dir/mail
LOG_FILE=$dir/dovecot.log
DOVECOT=1
END
exec setpriv --pdeathsig TERM -- "$(command -v dovecot)" -F -c "$conf" >>"$dir/dovecot.log" 2>&1
