//! What of a caller's environment a granted command gets: nothing by which the caller chooses the code that runs in it.

/// Variables that load code, choose it, lead requests elsewhere, or choose whom TLS trusts. No list of such names is ever
/// whole: `docs/doors.md` says what that means for a granted command.
const BENDING: &[&str] = &[
    "WGETRC",
    "PIP_CERT",
    "NO_PROXY",
    "NODE_USE_ENV_PROXY",
    "NODE_TLS_REJECT_UNAUTHORIZED",
    "MAKEFILES",
    "MAKEFLAGS",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "GIT_SSL_CAINFO",
    "FTP_PROXY",
    "DOTNET_STARTUP_HOOKS",
    "AWS_CA_BUNDLE",
    "ALL_PROXY",
    "BASHOPTS",
    "BASH_ENV",
    "BROWSER",
    "CDPATH",
    "CLASSPATH",
    "CURL_CA_BUNDLE",
    "CURL_HOME",
    "EDITOR",
    "ENV",
    "GCONV_PATH",
    "GETCONF_DIR",
    "GLIBC_TUNABLES",
    "HOSTALIASES",
    "IFS",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "LESSCLOSE",
    "LESSOPEN",
    "LOCPATH",
    "MALLOC_TRACE",
    "MANPAGER",
    "NIS_PATH",
    "NLSPATH",
    "NODE_EXTRA_CA_CERTS",
    "NODE_OPTIONS",
    "NODE_PATH",
    "OPENSSL_CONF",
    "OPENSSL_ENGINES",
    "OPENSSL_MODULES",
    "PAGER",
    "PHPRC",
    "PHP_INI_SCAN_DIR",
    "PROMPT_COMMAND",
    "PS4",
    "REQUESTS_CA_BUNDLE",
    "RES_OPTIONS",
    "RUBYLIB",
    "RUBYOPT",
    "SHELLOPTS",
    "SSLKEYLOGFILE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TCLLIBPATH",
    "VISUAL",
    "ZDOTDIR",
    "_JAVA_OPTIONS",
];

/// Beginnings of the names of such variables.
const BENDING_FAMILIES: &[&str] = &[
    "BASH_FUNC_",
    "BUN_",
    "DENO_",
    "DOTNET_",
    "DYLD_",
    "GIT_",
    "JULIA_",
    "LD_",
    "LUA_",
    "NPM_CONFIG_",
    "PERL5",
    "PERL_",
    "PYTHON",
    "R_",
];

/// Ends of the names by which programs are told of another server, to which they would send the value.
const BENDING_ENDS: &[&str] = &[
    "_API_BASE",
    "_API_HOST",
    "_API_URL",
    "_BASE_URL",
    "_CA_BUNDLE",
    "_ENDPOINT",
    "_ENDPOINT_URL",
    "_PROXY",
    "_SERVER_URL",
];

/// Whether a variable chooses what code runs, and is therefore nobody's to set beside a value.
pub(crate) fn bends(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    name == "PATH"
        || BENDING.contains(&upper.as_str())
        || BENDING_FAMILIES.iter().any(|family| upper.starts_with(family))
        || BENDING_ENDS.iter().any(|end| upper.ends_with(end))
}

/// The caller's variables without those, and `PATH` as the owner had it.
pub(super) fn of_child(variables: Vec<(String, String)>, search: &str) -> Vec<(String, String)> {
    let fine = |name: &str| !name.is_empty() && !name.contains(['=', '\0']) && !bends(name);
    let mut kept: Vec<_> = variables.into_iter().filter(|(name, text)| fine(name) && !text.contains('\0')).collect();
    kept.push(("PATH".to_owned(), search.to_owned()));
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_chooses_code_does_not_pass() {
        for name in [
            "LD_PRELOAD",
            "LD_AUDIT",
            "DYLD_INSERT_LIBRARIES",
            "NODE_OPTIONS",
            "NODE_PATH",
            "PYTHONPATH",
            "PYTHONSTARTUP",
            "PERL5LIB",
            "PERL5OPT",
            "RUBYOPT",
            "RUBYLIB",
            "BASH_ENV",
            "ENV",
            "GCONV_PATH",
            "GIT_SSH_COMMAND",
            "GIT_EXTERNAL_DIFF",
            "BASH_FUNC_curl%%",
            "npm_config_script_shell",
            "OPENAI_BASE_URL",
            "https_proxy",
            "NODE_TLS_REJECT_UNAUTHORIZED",
            "MAKEFLAGS",
            "PATH",
        ] {
            assert!(bends(name), "{name}");
        }
        let said = ["HOME", "TERM", "LANG", "MY_FLAG", "LD_PRELOAD"].map(|name| (name.to_owned(), "x".to_owned()));
        let kept: Vec<String> = of_child(said.to_vec(), "/usr/bin").into_iter().map(|(name, _)| name).collect();
        assert_eq!(kept, ["HOME", "TERM", "LANG", "MY_FLAG", "PATH"]);
    }
}
