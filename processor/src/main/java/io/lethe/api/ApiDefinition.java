package io.lethe.api;

import io.swagger.v3.oas.annotations.OpenAPIDefinition;
import io.swagger.v3.oas.annotations.info.Info;
import io.swagger.v3.oas.annotations.info.License;

/**
 * What {@code docs/openapi.yaml} says besides the controllers. The compiler's annotation processor
 * writes the document; a test holds the copy in {@code docs}.
 */
@OpenAPIDefinition(
    info =
        @Info(
            title = "Lethe",
            version = "1",
            description =
                "Where deletion requests and models stand. An instance that does not hold the key"
                    + " redirects to the one that does; errors are problem+json (RFC 9457).",
            license = @License(name = "Apache-2.0")))
final class ApiDefinition {
  private ApiDefinition() {}
}
