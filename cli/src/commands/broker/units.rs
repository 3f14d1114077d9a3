//! The units that run the broker as a user of its own, as `broker run --system --print-unit` writes them.

use std::path::Path;

/// For systemd 250 and later. What is switched off is what a broker never does.
pub(super) fn systemd(executable: &Path) -> String {
    SYSTEMD.replace("{executable}", &executable.display().to_string())
}

/// For launchd.
pub(super) fn launchd(executable: &Path) -> String {
    let text = executable.display().to_string();
    LAUNCHD.replace("{executable}", &text.replace('&', "&amp;").replace('<', "&lt;"))
}

const SYSTEMD: &str = r"# agentsecrets broker run --system --print-unit systemd > /etc/systemd/system/agentsecrets.service
[Unit]
Description=AgentSecrets broker
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
User=agentsecrets
Group=agentsecrets
# A socket of a group (broker run --system --group agents) wants the broker in it:
#SupplementaryGroups=agents
Environment=AGENTSECRETS_HOME=/var/lib/agentsecrets/home
LoadCredential=use-key:/etc/agentsecrets/use-key
ExecStart={executable} broker run --system --unlock file:%d/use-key
Restart=on-failure
RestartSec=2

StateDirectory=agentsecrets
StateDirectoryMode=0700
RuntimeDirectory=agentsecrets
RuntimeDirectoryMode=0755
UMask=0077
LimitCORE=0
LimitMEMLOCK=infinity

NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
KeyringMode=private
SystemCallArchitectures=native
SystemCallFilter=@system-service

[Install]
WantedBy=multi-user.target
";

const LAUNCHD: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<!-- To be installed as /Library/LaunchDaemons/agentsecrets.broker.plist. Not tested on macOS. -->
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>agentsecrets.broker</string>
  <key>UserName</key>
  <string>_agentsecrets</string>
  <key>GroupName</key>
  <string>_agentsecrets</string>
  <key>ProgramArguments</key>
  <array>
    <string>{executable}</string>
    <string>broker</string>
    <string>run</string>
    <string>--system</string>
    <string>--socket</string>
    <string>/usr/local/var/agentsecrets/run/broker.sock</string>
  </array>
  <key>EnvironmentVariables</key>
  <dict>
    <key>AGENTSECRETS_HOME</key>
    <string>/usr/local/var/agentsecrets/home</string>
  </dict>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <true/>
  <key>Umask</key>
  <integer>63</integer>
  <key>HardResourceLimits</key>
  <dict>
    <key>Core</key>
    <integer>0</integer>
  </dict>
  <key>ProcessType</key>
  <string>Background</string>
</dict>
</plist>
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_names_the_executable_it_was_printed_by() {
        let path = Path::new("/opt/a&b/agentsecrets");
        assert!(systemd(path).contains("ExecStart=/opt/a&b/agentsecrets broker run --system"));
        assert!(launchd(path).contains("<string>/opt/a&amp;b/agentsecrets</string>"));
    }
}
