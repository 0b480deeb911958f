#include "service/credential.h"

namespace todo::service {

bool is_good(storage::ReadTx& tx, const Credential& credential, Instant now) {
  if (credential.session_id) {
    const auto session = tx.find_session(*credential.session_id);
    return session && session->expires_at > now;
  }
  const auto token = tx.find_api_token(credential.token_hash);
  return token && (!token->expires_at || *token->expires_at > now);
}

}  // namespace todo::service
